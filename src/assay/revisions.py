"""What the outputs of each package go by: part of the fingerprint of everything in it.

A package's revision changes when something in it computes another result, and not when code is
moved, renamed or explained: work that was kept stays good. `tests/contracts/test_revisions.py`
fails where results change and the revision does not.
"""

from typing import Final

__all__ = ["REVISIONS"]

REVISIONS: Final = {
    "aggregation": "7d185e0a05552a5cd2ed2e96f0b39aa5693fbbce09fb291fcab53b0840b16c9d",
    "benchmarks": "1ffd941ebaf0a6ee0cdde2a2efb173b333dc41a79fda82f22a4a69936f79b119",
    "cli": "54e45c6a39ede9a5f90cc5829a2f5cd3f72c240121abf77c1e17f72962593f82",
    "components": "3bdb556fbdb37bb47487ab448e1cb86ce150c5a8bec1edb1df8cc6700ad2ce49",
    "config": "738c12f3aadfe0c7b230e7aa1802422d83fda3d572f1b7f01971b84c22fce4c2",
    "data": "9162e0940ee542618bbd697d49fb40e4ab671e4c6e64922b8a853fbf8e8678f1",
    "engines": "4ca10b7060201b23197a888e123d09fe6471486da57a91a2c4712a2c9f511efc",
    "errors": "3a0312a8c84e8c70eae00a8cf02afd3137b31aef4ba6788792e1efdd1d073d0f",
    "evaluation": "aa0bf1b13a6e0cc56f0488833190c96fd3495ae88a7a5422e98377a4821d21ef",
    "labelling": "8d0418e4c96869b7f1406ebec6df5eb5a988b258ac43222dc7ee306422268f83",
    "losses": "8b9a04ed26defceb6d3b3f4bff767dc82d9b9f77440423d30e63a210899ffc6c",
    "models": "aba8cd9eabb0bd66ad233d41a8ea9043fd055218d6da497223cb5f87343b4ed7",
    "overopt": "1d5ac4620d4ccdb2a650119511beef99885e0ff674a4de2ac8078b7732c934d2",
    "packing": "dabd5ea246242291383da899a82be9609b3a7aac0d47ef7f371129327ba2783e",
    "protocols": "19392b6afaf7aa7f19c166c96430ff6f47d74cc9402cbc160d9973f224823365",
    "quickstart": "9f215302023f5dfc9bbf3928369c1b8d47d90d23bf0634bb87f92a0cc486f584",
    "rl": "c709fd0a4980f836c9e783f9077e3f4b6c56211ab7f9353fdec67ba8cd761abf",
    "scorers": "190fadb243cd983486d0945a468b447352a649095431cd2e08cd36e4c952271c",
    "search": "b93be7ce3acab65138b8a861eca51b88416d2c667fe814e76a75dbf5ec6743c2",
    "stats": "7bfd12083c334a2e5300f9350c238b2beb3a23f038fd4b9e80ce6613a1e9a164",
    "testing": "3fb06021bce796bd9560a76d0dea52e60d813f38c768ae3b76826a42cf397401",
    "training": "c2c0d8e23f43076848916bede1464f039caf10d926ad7d651e201894942de830",
    "types": "23e87c43fff99981916928a4be7ee313e58d401df655d31f439dd38f364c8e61",
    "verifiers": "dfa0c5d3947e23e7a21f5e495c303f432c84dfaac90bba5552faad8a89df67ca",
    "worlds": "50bbde233a7f193d981a8312e97041f52e08634e12be75e876aff9982fe36537",
}
"""By the package's original name below `assay` (`renamed`); any other text will do for the next."""
