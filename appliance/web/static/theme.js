// Before the first paint, so that nothing flashes: the theme this device has chosen.
try {
  document.documentElement.dataset.theme = JSON.parse(localStorage.getItem("prefs") || "{}").theme || "light";
} catch (error) {
  document.documentElement.dataset.theme = "light";
}
