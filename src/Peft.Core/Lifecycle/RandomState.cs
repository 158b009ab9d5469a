using static TorchSharp.torch;

namespace Peft;

/// <summary>The state of torch's generator on the CPU, which all threads share.</summary>
internal static class RandomState
{
    // TorchSharp makes an object for the generator with each call, which the garbage collector may free while torch reads it. This one lives as long as the process.
#pragma warning disable RS0030
    private static readonly Generator Default = Generator.Default;
#pragma warning restore RS0030

    /// <summary>The state now, a new tensor.</summary>
    public static Tensor Get() => Default.get_state();

    /// <summary>Sets the state.</summary>
    /// <param name="state">A state from <see cref="Get"/>.</param>
    public static void Set(Tensor state) => Default.set_state(state);

    /// <summary>True if random values have been drawn since a state.</summary>
    /// <param name="before">The state, from <see cref="Get"/>.</param>
    public static bool HasChanged(Tensor before)
    {
        using var now = Get();
        using var same = before.eq(now).all();
        return !same.item<bool>();
    }
}
