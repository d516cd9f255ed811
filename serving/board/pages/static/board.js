// Refreshing by itself: only while the page is seen and the reader wants it; and a sentence where the board does not answer.
document.addEventListener("DOMContentLoaded", () => {
  const live = document.getElementById("live"), field = document.getElementById("live-field"), stale = document.getElementById("stale");
  if (!live) return;
  field.hidden = false;
  document.body.addEventListener("htmx:beforeRequest", (event) => {
    const asked = event.detail.elt.id === "filter";
    if (!asked && (document.hidden || !live.checked)) event.preventDefault();
  });
  for (const name of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.body.addEventListener(name, () => { stale.hidden = false; });
  }
  document.body.addEventListener("htmx:afterOnLoad", () => { stale.hidden = true; });
});
