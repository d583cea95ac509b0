// Search: in pages that are opened from a disk: browsers allow no workers there. A hidden frame runs
// the worker's script instead, with the same messages.
// What is asked for loses its leading dashes: `--out` would be read as "without out".
const QUERY = 2;
const asked = (message) =>
  message && message.type === QUERY && typeof message.data === "string"
    ? { ...message, data: message.data.replace(/(^|\s)-+/g, "$1") }
    : message;
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
