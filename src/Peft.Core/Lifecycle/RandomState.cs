using static TorchSharp.torch;

namespace Peft;

/// <summary>The state of torch's generator on the CPU, which all threads share.</summary>
internal static class RandomState
{
    /// <summary>True if random values have been drawn since a state.</summary>
    /// <param name="before">The state, from <c>get_rng_state</c>.</param>
    public static bool HasChanged(Tensor before)
    {
        using var now = get_rng_state();
        using var same = before.eq(now).all();
        return !same.item<bool>();
    }
}
