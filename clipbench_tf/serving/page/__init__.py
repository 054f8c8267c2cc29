"""The local web page: plain HTML, CSS and JavaScript, and what they ask for."""
