"""What all pages share: how they are rendered, their headers, static files, errors, and how long they wait."""
