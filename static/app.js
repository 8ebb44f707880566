// Enhancements only: every page works without this file.
for (const block of document.querySelectorAll('[data-copy]')) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'button button-small copy';
  button.textContent = 'Copy';
  const status = document.createElement('span');
  status.className = 'visually-hidden';
  status.setAttribute('role', 'status');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(block.querySelector('code').textContent);
      button.textContent = status.textContent = 'Copied';
    } catch {
      button.textContent = status.textContent = 'Select and copy';
    }
    setTimeout(() => { button.textContent = 'Copy'; status.textContent = ''; }, 2000);
  });
  block.append(button, status);
}

// a day of a chart opens its items; the same links are in the table behind it
for (const day of document.querySelectorAll('svg [data-href]')) {
  day.classList.add('is-link');
  day.addEventListener('click', () => { location.href = day.dataset.href; });
}

// an open menu closes on Escape and on a click elsewhere
addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  const open = document.querySelector('details.menu[open]');
  if (open) { open.open = false; open.querySelector('summary').focus(); }
});
addEventListener('click', (event) => {
  for (const menu of document.querySelectorAll('details.menu[open]')) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// what changes by itself is fetched again every few seconds: as long as it does, for an hour, or until somebody says not to
for (const link of document.querySelectorAll('[data-refreshes]')) {
  const [everyMs, times] = [5000, 720];
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'button';
  let left = times;
  const set = (to) => {
    left = to;
    button.textContent = left > 0 ? 'Stop refreshing' : 'Keep refreshing';
  };
  set(times);
  button.addEventListener('click', () => set(left > 0 ? 0 : times));
  link.replaceWith(button);
  const timer = setInterval(async () => {
    if (left === 0 || document.hidden) return;
    set(left - 1);
    try {
      const answer = await fetch(location.href);
      if (!answer.ok || answer.redirected) return set(0);
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      if (left === 0) return;
      for (const old of document.querySelectorAll('[data-refresh]')) {
        const fresh = page.getElementById(old.id);
        // whoever is on a link there keeps it
        if (fresh && !old.contains(document.activeElement)) old.replaceWith(fresh);
      }
      if (!document.querySelector('[data-refresh]')) {
        clearInterval(timer);
        button.remove();
      }
    } catch { /* the next time, perhaps */ }
  }, everyMs);
}

document.querySelector('[data-focus]')?.focus();
