() => {
  // What the page does by itself: markers show and lead to their passages, answers are copied, every control has its name.
  // Gradio's place for files has a name that does not hold its own words; without it, the words are its name.
  const named = () => document.querySelectorAll(".upload-container[aria-label]").forEach((place) => place.removeAttribute("aria-label"));

  // A question stands in the chat as HTML; to be edited, it is what was typed.
  const plain = () => document.querySelectorAll("#chat .user textarea:not([data-plain])").forEach((box) => {
    const read = document.createElement("textarea");
    read.innerHTML = box.value.replaceAll("<br>", "\n");
    box.dataset.plain = "";
    box.value = read.value;
    box.dispatchEvent(new Event("input", {bubbles: true}));
  });
  new MutationObserver(() => (named(), plain())).observe(document.body, {childList: true, subtree: true});

  // An older answer's passages arrive a moment after its marker is clicked, so the marker waits for them.
  const show = (id, tries) => {
    const passage = document.getElementById(id);
    if (!passage) return tries && setTimeout(show, 100, id, tries - 1);
    passage.scrollIntoView({behavior: "smooth", block: "nearest"});
    passage.animate([{outlineColor: "var(--color-accent)"}, {outlineColor: "transparent"}], 1600);
  };

  // A marker that is pointed at, or reached by keyboard, has the words that it stands for beside it.
  const peek = document.createElement("div");
  peek.id = "peek";
  peek.setAttribute("role", "tooltip");
  peek.hidden = true;
  const hide = () => (peek.hidden = true);
  const point = (event) => {
    const marker = event.target.closest?.("a.marker");
    if (!marker) return hide();
    // It says in two lines what its own sentence rests on; as a title, the browser would show them once more.
    if (marker.title) [marker.dataset.cited, marker.title] = [marker.title, ""];
    const [title, words] = (marker.dataset.cited ?? "").split("\n");
    peek.replaceChildren(document.createElement("b"), document.createElement("span"));
    peek.firstChild.textContent = title;
    peek.lastChild.textContent = words;
    peek.hidden = false;
    (marker.closest(".contain") ?? document.body).append(peek);
    marker.setAttribute("aria-describedby", "peek");
    const at = marker.getBoundingClientRect(), size = peek.getBoundingClientRect();
    const below = at.bottom + 6 + size.height < innerHeight;
    peek.style.left = `${Math.max(12, Math.min(at.left, innerWidth - size.width - 12))}px`;
    peek.style.top = `${below ? at.bottom + 6 : Math.max(12, at.top - 6 - size.height)}px`;
  };
  for (const kind of ["mouseover", "focusin"]) document.addEventListener(kind, point);
  for (const kind of ["focusout", "scroll"]) document.addEventListener(kind, hide, true);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());

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
