"""From a photo to the codes of a StyleGAN: searched for, guessed by an encoder, and the generator bent towards it; and
from codes to those that follow words."""
