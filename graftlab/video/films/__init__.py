"""The films: each a function from pictures, codes or a video to a `Film`, one screen each."""
