"""Makes a trained model deeper without changing what it computes."""

from dataclasses import replace

from model import UnifiedDecoder


def deepen(model, layers):
    """Returns a model with `layers` layers. New ones go before the last layer and begin as the identity: they add zero to the stream."""
    old = model.config.num_hidden_layers
    if layers < old:
        raise ValueError(f"The model has {old} layers; {layers} were asked for. Layers can only be added.")
    deeper = UnifiedDecoder(replace(model.config, num_hidden_layers=layers))
    tensors = deeper.state_dict()                                    # the o_proj and down_proj of fresh layers are zero
    for name, tensor in model.state_dict().items():
        tensors[name.replace(f"layers.{old - 1}.", f"layers.{layers - 1}.")] = tensor
    deeper.load_state_dict(tensors)
    return deeper
