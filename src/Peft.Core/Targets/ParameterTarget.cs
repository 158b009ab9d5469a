using System.Reflection;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// A parameter of a module that is not a target: a matrix <c>[out, in]</c>, one matrix per expert, <c>[experts, out, in]</c>, or a vector. Only the module's own
/// code knows how the parameter is used, so an adapter cannot wrap the operation. Instead, the parameter has the adapted value while the module runs.
/// </summary>
internal sealed class ParameterTarget(string path, string name, nn.Module owner, Parameter parameter)
    : Target(path, owner, parameter.dim() >= 2 ? ModuleKinds.Linear : ModuleKinds.Norm, parameter.dim() >= 2 ? parameter.size(-2) : parameter.numel(), parameter.dim() >= 2 ? parameter.size(-1) : 1)
{
    private static readonly FieldInfo Handle = typeof(Tensor).GetField("handle", BindingFlags.NonPublic | BindingFlags.Instance)
        ?? throw new PeftException("This version of TorchSharp has no field Tensor.handle: use the version with which Peft was built.");

    /// <summary>True if .NET code uses the parameter object, so that its value can be replaced. TorchSharp's native modules have no field for their parameters.</summary>
    public bool IsManaged { get; } = owner.GetType().Assembly != typeof(nn.Module).Assembly || Fields(owner.GetType()).Any(field => ReferenceEquals(field.GetValue(owner), parameter));

    public override WeightStorage Storage { get; } = new ParameterStorage(parameter);
    public override Parameter? Bias => null;
    internal override object Key => parameter;
    public override string WeightName => name;

    /// <summary>Path of the parameter in the model.</summary>
    public string ParameterPath => Path.Length == 0 ? name : $"{Path}.{name}";

    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null)
        => throw new PeftException($"{this} is a parameter: only its module knows how it is used.");

    /// <summary>Replaces the value of the parameter while its module runs.</summary>
    /// <param name="value">Computes the value for a forward pass, which may require a gradient; null leaves the parameter unchanged. It is disposed after the forward pass.</param>
    /// <returns>An action that removes the replacement.</returns>
    public Action Lend(Func<Tensor?> value)
    {
        Tensor? lent = null;
        var own = (IntPtr)Handle.GetValue(parameter)!;
        void Restore()
        {
            if (lent is null) return;
            Handle.SetValue(parameter, own);
            lent.Dispose();
            lent = null;
        }
        // If a forward pass threw, the value was not restored: restore it before the next one.
        var before = Hook("register_forward_pre_hook", _ =>
        {
            Restore();
            if (value() is not { } adapted) return;
            lent = adapted.DetachFromDisposeScope();
            own = (IntPtr)Handle.GetValue(parameter)!;
            Handle.SetValue(parameter, adapted.Handle);
        });
        var after = Hook("register_forward_hook", _ => Restore());
        return () =>
        {
            Restore();
            before();
            after();
        };
    }

    private static IEnumerable<FieldInfo> Fields(Type? type)
        => type is null || type == typeof(nn.Module) ? [] : type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly).Concat(Fields(type.BaseType));

    // Every callable module has these two methods, but their common base class does not.
    private Action Hook(string registration, Action<nn.Module> hook)
    {
        var register = Module.GetType().GetMethod(registration, [typeof(Action<nn.Module>)])
            ?? throw new PeftException($"{this} cannot be adapted: its module is never called.");
        var remover = register.Invoke(Module, [hook])!;
        return () => remover.GetType().GetMethod("remove")!.Invoke(remover, []);
    }

    public override string ToString() => $"{Path}.{name} (parameter of {Module.GetType().Name}, {string.Join("×", parameter.shape)})";
}
