"""Programs that do nothing wrong work behind the wall as they do in front of it."""

import pytest

from assay.verifiers.code.suites import Calls
from assay.verifiers.code.verifier import Code

pytest.importorskip("pyseccomp")

HONEST = {
    "asyncio": (
        """
import asyncio
async def g():
    await asyncio.sleep(0.01)
    return 5
def f(): return asyncio.run(g())
"""
    ),
    "threads": (
        """
from concurrent.futures import ThreadPoolExecutor
def f():
    with ThreadPoolExecutor(4) as t: return sum(t.map(abs,[-1,-4]))
"""
    ),
    "tempfile": (
        """
import tempfile,os
def f():
    with tempfile.NamedTemporaryFile('w+') as x:
        x.write('12345'); x.flush(); return os.path.getsize(x.name)
"""
    ),
    "tempdir": (
        """
import tempfile,os,shutil
def f():
    d=tempfile.mkdtemp()
    open(d+'/a','w').write('x')
    shutil.copy2(d+'/a',d+'/b')
    n=len(os.listdir(d))
    shutil.rmtree(d)
    return n+3
"""
    ),
    "sqlite": (
        """
import sqlite3
def f():
    c=sqlite3.connect(':memory:'); return c.execute('select 2+3').fetchone()[0]
"""
    ),
    "sqlitefile": (
        """
import sqlite3
def f():
    c=sqlite3.connect('x.db')
    c.execute('create table t(a)')
    c.execute('insert into t values (5)')
    c.commit()
    return c.execute('select a from t').fetchone()[0]
"""
    ),
    "uuid": (
        """
import uuid
def f(): return 5 if len(str(uuid.uuid4()))==36 else 0
"""
    ),
    "dataclass": (
        """
from __future__ import annotations
from dataclasses import dataclass
@dataclass
class A:
    x: int
def f(): return A(5).x
"""
    ),
    "pickle": (
        """
import pickle
class A:
    def __init__(s): s.x=5
def f(): return pickle.loads(pickle.dumps(A())).x
"""
    ),
    "lru": (
        """
from functools import lru_cache
import sys
sys.setrecursionlimit(100000)
@lru_cache(None)
def g(n): return n if n<2 else g(n-1)+g(n-2)
def f(): return g(5)
"""
    ),
    "deep recursion in a large stack": (
        """
import sys,threading
sys.setrecursionlimit(10**6)
threading.stack_size(128<<20)
r=[]
def g(n): return 0 if n==0 else 1+g(n-1)
def run(): r.append(g(50000))
def f():
    t=threading.Thread(target=run); t.start(); t.join(); return r[0]//10000
"""
    ),
    "input": (
        """
import sys
def f():
    try: input()
    except EOFError: return 5
"""
    ),
    "signal": (
        """
import signal,time
def f():
    hit=[]
    signal.signal(signal.SIGALRM,lambda *a: hit.append(5))
    signal.setitimer(signal.ITIMER_REAL,0.01)
    time.sleep(0.05)
    return hit[0]
"""
    ),
    "no subprocess, but an error that can be caught": (
        """
import subprocess
def f():
    try: subprocess.run(['ls'])
    except OSError: return 5
"""
    ),
    "zoneinfo": (
        """
import zoneinfo,datetime
def f(): return datetime.datetime(2024,1,1,tzinfo=zoneinfo.ZoneInfo('Europe/Paris')).utcoffset().seconds//720
"""  # noqa: E501
    ),
    "ctypes": (
        """
import ctypes
def f(): return ctypes.c_int(5).value
"""
    ),
    "no other process, but an error that can be caught": (
        """
import multiprocessing as m
def f():
    try:
        p=m.Process(target=print); p.start(); p.join(); return 5
    except OSError: return 5
"""
    ),
    "bigprint": (
        """
def f():
    print('x'*10**7); return 5
"""
    ),
    "heapq": (
        """
import heapq, bisect, itertools
def f(): return heapq.nlargest(1,[5,2])[0]
"""
    ),
    "getpass": (
        """
import os
def f(): return 5 if os.environ.get('HOME')=='/tmp' and os.getcwd()=='/tmp' else os.getcwd()
"""
    ),
    "many modules": (
        """
import decimal, statistics, calendar, csv, io, textwrap, pprint, difflib, string, struct
import array, secrets, html, urllib.parse, base64, zlib, bz2, lzma, gzip, xml.etree.ElementTree
import email, logging, argparse, unittest, doctest, inspect, ast, dis, locale, gettext
def f(): return 5
"""
    ),
}


@pytest.mark.parametrize("name", HONEST)
def test_an_honest_program_works(name: str) -> None:
    verdict = Code().check(HONEST[name], Calls.of("f", [((), 5)]))
    assert verdict.outcome == "right", verdict.reason
