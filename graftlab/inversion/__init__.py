"""From a photo to the codes of a StyleGAN2: searched for, guessed by an encoder, and the generator bent towards it."""
