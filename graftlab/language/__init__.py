"""Pictures and words in one space, so that a phrase can steer a picture.

    model = text_model("graft-mini")
    fit = model.images(pictures) @ model.texts(["a misty lake at dawn"]).T  # (N, 1), differentiable in the pictures

What wants to steer pictures takes a `TextModel`, and does not mind which.
"""

from graftlab.language.choice import DEFAULT, text_model
from graftlab.language.offers import OFFERS, Offer
from graftlab.language.text_model import TextModel

__all__ = ["DEFAULT", "OFFERS", "Offer", "TextModel", "text_model"]
