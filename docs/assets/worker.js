// The theme asks for a map of the site that nothing here uses, beside the page, where it is not; from a
// disk browsers refuse it. It gets an empty one.
const open = XMLHttpRequest.prototype.open;
XMLHttpRequest.prototype.open = function (method, url, ...more) {
  const empty = String(url).endsWith("sitemap.xml") ? "data:text/xml,<urlset/>" : url;
  return open.call(this, method, empty, ...more);
};

// Search, in two parts.
//
// What is asked for becomes words: a dash, a colon or a quote of a message that is pasted would be an
// operator. A whole word counts more than one that only begins like it (`score`, `scores`), the last
// part of a dotted name more than the others, and in a long question nothing but whole words counts.
const QUERY = 2;
const MARKS = /[\s"'`:;,!?=()[\]{}<>|~^*+\\/\u2026-]+|\.+(?=\s|$)/;
const LONG = 6;
const COMMON = new Set(
  "a an and are as at be by for from give has have in is it its no none not of on one or so than that the there to use was with".split(" ")
);
const worded = (text) => {
  const words = text.split(MARKS).filter((word) => word);
  if (words.length >= LONG) {
    const telling = words.filter((word) => !COMMON.has(word.toLowerCase()));
    return telling.map((word) => `${word}^1`).join(" ");
  }
  const whole = words.flatMap((word) => {
    const parts = word.split(".").filter((part) => part);
    return parts.map((part, at) => `${part}^${at === parts.length - 1 ? 16 : 2}`);
  });
  return [...whole, ...words].join(" ");
};
const asked = (message) =>
  message && message.type === QUERY && typeof message.data === "string"
    ? { ...message, data: worded(message.data) }
    : message;
// In pages that are opened from a disk browsers allow no workers. A hidden frame runs the worker's
// script instead, with the same messages.
if (location.protocol !== "file:") {
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function (message, ...more) {
    return post.call(this, asked(message), ...more);
  };
} else {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "search";
      document.body.appendChild(frame);
      const inner = frame.contentWindow;
      inner.document.open();
      inner.document.write("<!doctype html><title>search</title>");
      inner.document.close();
      const outer = this;
      const answer = (data) => {
        const event = new MessageEvent("message", { data });
        outer.dispatchEvent(event);
        if (outer.onmessage) outer.onmessage(event);
      };
      // Scripts run by a worker have a `postMessage` of one argument, and load others at once.
      inner.postMessage = answer;
      inner.importScripts = (...urls) =>
        urls.reduce((before, one) => before.then(() => load(one)), Promise.resolve());
      const load = (source) =>
        new Promise((done, failed) => {
          const script = inner.document.createElement("script");
          script.src = source;
          script.onload = () => done();
          script.onerror = failed;
          inner.document.head.appendChild(script);
        });
      load(new URL(url, location.href)).then(() => {
        this.ready = true;
        this.waiting.forEach((data) => this.give(data));
      });
      this.inner = inner;
    }
    give(data) {
      const event = new this.inner.MessageEvent("message", { data });
      this.inner.dispatchEvent(event);
    }
    postMessage(message) {
      const data = asked(message);
      if (this.ready) this.give(data);
      else this.waiting.push(data);
    }
    terminate() {}
  };
}
