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

document.querySelector('[data-focus]')?.focus();
