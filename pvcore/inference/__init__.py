"""From an adapter and a text to a prediction; a training run asks its tune split through the same door."""
