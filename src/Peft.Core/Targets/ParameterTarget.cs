using System.Reflection;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// A parameter of a module that is no target itself: a matrix <c>[out, in]</c>, one per expert, <c>[experts, out, in]</c>, or a vector. Its module's own
/// code uses it as it likes, so an adapter cannot stand around an operation: while the module runs, the parameter has the adapted value.
/// </summary>
internal sealed class ParameterTarget(string path, string name, nn.Module owner, Parameter parameter) : Target(path, owner)
{
    private static readonly FieldInfo Handle = typeof(Tensor).GetField("handle", BindingFlags.NonPublic | BindingFlags.Instance)
        ?? throw new PeftException("This version of TorchSharp has no field Tensor.handle: use the version that Peft was built with.");

    /// <summary>Whether the module's code is .NET, which uses the object that another value is lent to. Those of TorchSharp's modules that are native hold it in no field.</summary>
    public bool IsManaged { get; } = owner.GetType().Assembly != typeof(nn.Module).Assembly || Fields(owner.GetType()).Any(field => ReferenceEquals(field.GetValue(owner), parameter));

    public override Parameter Weight => parameter;
    public override Parameter? Bias => null;
    public override long Out => IsMatrix ? parameter.shape[^2] : parameter.numel();
    public override long In => IsMatrix ? parameter.shape[^1] : 1;
    public override bool IsMatrix => parameter.dim() >= 2;
    public override bool IsParameter => true;
    internal override object Key => parameter;
    internal override string WeightName => name;

    /// <summary>Path of the parameter in the model.</summary>
    public string ParameterPath => Path.Length == 0 ? name : $"{Path}.{name}";

    public override Tensor ToMatrix(Tensor stored) => stored.alias();
    public override Tensor ToStored(Tensor matrix) => matrix.alias();

    public override Tensor Apply(Tensor input, Tensor matrix, Tensor? bias = null)
        => throw new PeftException($"{this} is a parameter: only its module knows what is done with it.");

    /// <summary>Lets the parameter have another value while its module runs.</summary>
    /// <param name="value">The value for a pass, which may have a gradient; null to leave the parameter alone. It is disposed after the pass.</param>
    /// <returns>Ends that.</returns>
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
        // A pass that threw has not come to its end: it is ended before the next one.
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

    // Every kind of module that can be called has these two, but their common base does not.
    private Action Hook(string registration, Action<nn.Module> hook)
    {
        var register = Module.GetType().GetMethod(registration, [typeof(Action<nn.Module>)])
            ?? throw new PeftException($"{this} cannot be adapted: its module is never called, so there is no moment to do it.");
        var remover = register.Invoke(Module, [hook])!;
        return () => remover.GetType().GetMethod("remove")!.Invoke(remover, []);
    }

    public override string ToString() => $"{Path}.{name} (parameter of {Module.GetType().Name}, {string.Join("×", parameter.shape)})";
}
