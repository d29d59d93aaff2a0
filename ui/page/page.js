() => {
  // What the page does by itself: markers lead to their passages, answers are copied, every control has its own name.
  // Gradio's place for files has a name that does not hold its own words; without it, the words are its name.
  const named = () => document.querySelectorAll(".upload-container[aria-label]").forEach((place) => place.removeAttribute("aria-label"));
  new MutationObserver(named).observe(document.body, {childList: true, subtree: true});

  // An older answer's passages arrive a moment after its marker is clicked, so the marker waits for them.
  const show = (id, tries) => {
    const passage = document.getElementById(id);
    if (!passage) return tries && setTimeout(show, 100, id, tries - 1);
    passage.scrollIntoView({behavior: "smooth", block: "nearest"});
    passage.animate([{outlineColor: "var(--color-accent)"}, {outlineColor: "transparent"}], 1600);
  };

  // The clipboard of the browser's own is there on this machine and over https; elsewhere the old way still works.
  const copy = async (link) => {
    const answer = link.closest(".md, .message, .said").cloneNode(true);
    answer.querySelectorAll(".fine, .note, .marker").forEach((part) => part.remove());
    answer.querySelectorAll("br").forEach((part) => part.replaceWith("\n"));
    const text = answer.textContent.trim();
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else {
      const field = document.body.appendChild(document.createElement("textarea"));
      field.value = text;
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    link.textContent = "Copied";
    setTimeout(() => (link.textContent = "Copy"), 1600);
  };

  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a.marker, a.copy");
    if (!link) return;
    event.preventDefault();
    if (link.matches(".copy")) copy(link);
    else show(link.getAttribute("href").slice(1), 10);
  });
}
