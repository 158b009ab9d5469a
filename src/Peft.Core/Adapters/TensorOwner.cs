using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>A tensor that an adapter owns or shares.</summary>
/// <param name="Name">Name in the saved file, after the module's path: <c>lora_A.weight</c>.</param>
/// <param name="Value">The tensor.</param>
/// <param name="IsTrainable">Whether training changes it.</param>
/// <param name="IsSaved">Whether it is written to the adapter's file.</param>
/// <param name="IsShared">Whether another layer owns it (tied weights).</param>
/// <param name="IsState">Whether it is state of the training, which checkpoints hold.</param>
public sealed record AdapterTensor(string Name, Parameter Value, bool IsTrainable, bool IsSaved, bool IsShared, bool IsState = false);

/// <summary>Holds the tensors of an adapter under their saved names: what saving, freezing and counting follow from.</summary>
public abstract class TensorOwner : IDisposable
{
    private readonly List<AdapterTensor> tensors = [];
    private readonly List<nn.Module> modules = [];

    /// <summary>Tensors of the given type are created on the given device.</summary>
    private protected TensorOwner(ScalarType type, Device device)
    {
        TensorType = type is ScalarType.Float16 or ScalarType.BFloat16 ? ScalarType.Float32 : type;
        Device = device;
    }

    /// <summary>All tensors, in the order of their registration.</summary>
    public IReadOnlyList<AdapterTensor> Tensors => tensors;

    /// <summary>Type of the tensors: the model's, but float32 for half-width ones, in which small updates would be lost.</summary>
    protected ScalarType TensorType { get; }

    /// <summary>Device of the tensors when they are created.</summary>
    protected Device Device { get; }

    /// <summary>Registers a trainable tensor: name, shape and initial value in one expression.</summary>
    /// <param name="name">Its name in the saved file.</param>
    /// <param name="initial">Its initial value; the owner takes it over.</param>
    /// <param name="saved">Whether the adapter's file holds it.</param>
    protected Parameter Trainable(string name, Tensor initial, bool saved = true) => Register(name, initial, trainable: true, saved);

    /// <summary>Takes over a module that the owner computes with, and registers its parameters as trainable. The file does not hold them.</summary>
    /// <param name="name">What stands before the parameters' names.</param>
    /// <param name="module">The module; it is disposed with this owner.</param>
    protected void Adopt(string name, nn.Module module)
    {
        ArgumentNullException.ThrowIfNull(module);
        modules.Add(module);
        foreach (var (own, parameter) in module.named_parameters())
        {
            parameter.DetachFromDisposeScope();
            tensors.Add(new AdapterTensor($"{name}.{own}", parameter, IsTrainable: true, IsSaved: false, IsShared: false));
        }
    }

    /// <summary>Registers a tensor that training leaves alone.</summary>
    /// <param name="name">Its name in the saved file.</param>
    /// <param name="value">Its value; the owner takes it over.</param>
    /// <param name="saved">Whether the adapter's file holds it.</param>
    protected Parameter Frozen(string name, Tensor value, bool saved = true) => Register(name, value, trainable: false, saved);

    /// <summary>Registers a tensor that training changes without a gradient, such as a statistic: checkpoints hold it.</summary>
    /// <param name="name">A name that no other tensor of this has.</param>
    /// <param name="initial">Its initial value; the owner takes it over.</param>
    /// <param name="saved">Whether the adapter's file holds it too.</param>
    protected Parameter State(string name, Tensor initial, bool saved = false)
    {
        var parameter = Register(name, initial, trainable: false, saved);
        tensors[^1] = tensors[^1] with { IsState = true };
        return parameter;
    }

    /// <summary>What the file holds of a saved tensor: its value, unless a method saves another form.</summary>
    protected internal virtual Tensor ToSaved(AdapterTensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return tensor.Value.detach();
    }

    /// <summary>Tensors that the file holds besides, by name: forms of other tensors, which are not read back. None by default.</summary>
    protected internal virtual IReadOnlyDictionary<string, Tensor> SavedCopies => System.Collections.ObjectModel.ReadOnlyDictionary<string, Tensor>.Empty;

    /// <summary>Called once the saved tensors have been read from a file, to renew what follows from them.</summary>
    protected internal virtual void Loaded() { }

    /// <summary>Registers a tensor of another owner as also this one's (tied weights).</summary>
    protected Parameter Shared(string name, Parameter value, bool saved)
    {
        tensors.Add(new AdapterTensor(name, value, IsTrainable: false, saved, IsShared: true));
        return value;
    }

    /// <summary>A new tensor of zeros.</summary>
    protected Tensor Zeros(params long[] shape) => zeros(Allowed(shape), TensorType, Device);

    /// <summary>A new tensor of ones.</summary>
    protected Tensor Ones(params long[] shape) => ones(Allowed(shape), TensorType, Device);

    /// <summary>A new tensor of normal numbers with the given standard deviation.</summary>
    protected Tensor Normal(double deviation, params long[] shape) => empty(Allowed(shape), TensorType, Device).normal_(0, deviation);

    /// <summary>A new tensor of uniform numbers between ±bound.</summary>
    protected Tensor Uniform(double bound, params long[] shape) => empty(Allowed(shape), TensorType, Device).uniform_(-bound, bound);

    /// <summary>Uniform on ±1/√fan-in, what Kaiming's rule with a = √5 comes to (a Linear's default). Fan-in is the product of all dimensions but the first.</summary>
    protected Tensor KaimingUniform(params long[] shape)
        => Uniform(1 / Math.Sqrt(shape[1..].Aggregate(1L, (a, b) => a * b)), shape);

    /// <summary>Whether the model's tensors hold numbers; on the device meta they are shapes, which is enough to lay out an adapter and to count.</summary>
    protected bool HasValues => Device.type != DeviceType.META;

    /// <summary>A start that is computed from numbers, such as the module's weight; a tensor without numbers where the model has none.</summary>
    /// <param name="start">Computes it.</param>
    /// <param name="shape">Its shape.</param>
    protected Tensor Computed(Func<Tensor> start, params long[] shape)
    {
        ArgumentNullException.ThrowIfNull(start);
        Allowed(shape);
        return HasValues ? start() : empty(shape, TensorType, Device);
    }

    private long[] Allowed(params long[] shape) => TensorBudget.Take(shape, TensorType, Device);

    /// <summary>Says whether training changes a tensor from now on.</summary>
    protected void SetTrainable(Parameter parameter, bool trainable)
    {
        var index = tensors.FindIndex(tensor => ReferenceEquals(tensor.Value, parameter));
        tensors[index] = tensors[index] with { IsTrainable = trainable };
        parameter.requires_grad = trainable;
        if (!trainable) parameter.grad = null;
    }

    /// <summary>Puts another value into a tensor, which may have another shape (a rank that changed).</summary>
    protected internal static void Replace(Parameter parameter, Tensor value)
    {
        using var _ = NewDisposeScope();
        using var __ = no_grad();
        parameter.set_(value.detach().to(parameter.dtype, parameter.device, copy: true).contiguous());
    }

    private Parameter Register(string name, Tensor value, bool trainable, bool saved)
    {
        if (value.is_floating_point() && value.dtype != TensorType)
        {
            var cast = value.to_type(TensorType);
            value.Dispose();
            value = cast;
        }
        var parameter = new Parameter(value, requires_grad: trainable);
        parameter.DetachFromDisposeScope();   // adapters outlive the scope that they are made in
        tensors.Add(new AdapterTensor(name, parameter, trainable, saved, IsShared: false));
        return parameter;
    }

    /// <summary>Releases the tensors that this owns.</summary>
    public void Dispose()
    {
        foreach (var tensor in tensors.Where(t => !t.IsShared)) tensor.Value.Dispose();
        foreach (var module in modules) module.Dispose();
        tensors.Clear();
        modules.Clear();
        GC.SuppressFinalize(this);
    }
}

/// <summary>Tensors that all layers of an adapter share, such as VeRA's projections. Saved right under <c>base_model.</c></summary>
/// <param name="type">Type of the model's weights.</param>
/// <param name="device">Where the tensors are created.</param>
public abstract class SharedTensors(ScalarType type, Device device) : TensorOwner(type, device);
