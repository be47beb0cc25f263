// Runs before everything else. A file of a cached page may have been evicted from the cache: then the page is
// loaded from the server, whose build may be another one.
addEventListener(
  "error",
  (event) => {
    const words = document.querySelector("main p");
    if (!(event.target instanceof HTMLScriptElement) || !words) return;
    words.textContent = "This page is not whole on this device. It opens as soon as it can be loaded.";
    const look = () =>
      void fetch("/", { cache: "reload" }).then(
        () => location.reload(),
        () => setTimeout(look, 2000),
      );
    setTimeout(look, 1000);
  },
  true,
);
// Before the first paint, to avoid flashing: the theme chosen on this device.
try {
  document.documentElement.dataset.theme = JSON.parse(localStorage.getItem("prefs") || "{}").theme || "light";
} catch {
  document.documentElement.dataset.theme = "light";
}
