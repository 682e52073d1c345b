// The conversation: a click on a statement of an answer shows in the signal what it is about.

const AROUND_S = 0.25; // to either side of a time

document.addEventListener("click", (event) => {
  const link = event.target.closest?.('a[href*="#measured"]');
  const signal = link && document.querySelector("emg-signal");
  if (!link) return;
  event.preventDefault();
  if (!signal) return;
  const about = new URLSearchParams(link.hash.split("?")[1]);
  if (!signal.checkVisibility()) { // another of its tabs is open
    const panels = [...signal.closest(".tabs").querySelectorAll('[role="tab"]')];
    panels.find((tab) => tab.textContent.trim() === "Signal")?.click();
  }
  requestAnimationFrame(() => {
    highlight(about.get("on"));
    const times = (about.get("at") ?? "").split(",").filter(Boolean).map(Number);
    if (times.length) signal.go(Math.min(...times) - AROUND_S, Math.max(...times) + AROUND_S);
    signal.scrollIntoView({ block: "nearest", behavior: "smooth" });
  });
});

// All columns of the conversation that are shown, as text.
async function copyTalk() {
  const columns = [...document.querySelectorAll("#talk .answer")].filter((c) => c.checkVisibility());
  const said = columns.flatMap((column) => [...column.querySelectorAll(".message")].map((m) =>
    `${m.classList.contains("user") ? "You" : column.getAttribute("aria-label") ?? "EMG-LLM"}: ${
      m.innerText.trim()}`));
  const button = document.querySelector("#copy-talk"), text = button.textContent;
  try {
    await navigator.clipboard.writeText(said.join("\n\n"));
    button.textContent = said.length ? "Copied" : "Nothing said yet";
  } catch {
    button.textContent = "The browser doesn't allow it";
  }
  setTimeout(() => { button.textContent = text; }, 2000);
}
