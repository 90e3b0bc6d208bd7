"""What networks for images see in pictures, and distances in it: used in training, inversion and evaluation.

pictures --FeatureNetwork--> Features --distances--> one value per picture
"""
