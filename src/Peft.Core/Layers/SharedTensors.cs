using static TorchSharp.torch;

namespace Peft;

/// <summary>Tensors that all layers of an adapter share, such as VeRA's projections. Their keys are directly under <c>base_model.</c></summary>
/// <param name="type">Dtype of the model's weights.</param>
/// <param name="device">Device of the tensors.</param>
public abstract class SharedTensors(ScalarType type, Device device) : TensorOwner(type, device);
