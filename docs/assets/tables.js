// A table that is wider than the page scrolls in a box of its own, by keyboard too.
(() => {
  const article = document.querySelector("article");
  const reach = () => {
    for (const box of article.querySelectorAll(".md-typeset__scrollwrap")) {
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  if (!article) return;
  // The theme puts tables into their boxes after the page has loaded.
  new MutationObserver(reach).observe(article, {childList: true, subtree: true});
  new ResizeObserver(reach).observe(article);
})();
