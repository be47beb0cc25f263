// Before everything else. A page from this device's cache may lack a file that was let go: the box has it, or another version
// of all of them.
addEventListener("error", function (event) {
  const words = document.querySelector("main p");
  if (!(event.target instanceof HTMLScriptElement) || !words) return;
  words.textContent = "This page is not whole on this device. It opens as soon as the box answers.";
  const look = () => void fetch("/", { cache: "reload" }).then(() => location.reload(), () => setTimeout(look, 2000));
  setTimeout(look, 1000);
}, true);
// Before the first paint, so that nothing flashes: the theme this device has chosen.
try {
  document.documentElement.dataset.theme = JSON.parse(localStorage.getItem("prefs") || "{}").theme || "light";
} catch (error) {
  document.documentElement.dataset.theme = "light";
}
