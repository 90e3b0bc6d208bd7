"""What people write who use graftlab in Python: it is run, and must please mypy under what --strict asks for."""

import graftlab
from graftlab import StyleGAN2, SwappingAutoencoder

model = graftlab.load("landscapes-128", SwappingAutoencoder)
a, b = (model.encode(graftlab.read(p)) for p in ("fuji.jpg", "alps.jpg"))
film = graftlab.films.walk(model, [a, b], seconds=4)
graftlab.render(film, "walk.mp4")
graftlab.show(a, model).save("a.png")
model.save("mine.safetensors")

base, blend = graftlab.load("alpine-64", StyleGAN2), graftlab.load("woodblock-64", StyleGAN2)
mixed = graftlab.blend(base, blend, graftlab.layer_swap(8))
found = graftlab.invert(base, graftlab.read("fuji.jpg"), steps=20)
graftlab.write(mixed.decode(found.codes), "toon.png")
halfway = graftlab.blend(base, blend, 0.5)
graftlab.show([*mixed.decode(found.codes), *halfway.decode(found.codes)])
