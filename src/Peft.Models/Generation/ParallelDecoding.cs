using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Divides the prompts among threads, each with its own KV cache. A decode step of a small model is too short for torch's threads, which synchronize in every operation;
/// these threads synchronize once per step. Tokens are chosen for all rows together, so samples do not depend on the number of threads.
/// </summary>
internal sealed class ParallelDecoding : IDisposable
{
    // In bytes. The matrices of larger models do not stay in the CPU caches of two threads that read all of them.
    private const long SmallModel = 32L << 20;

    private readonly Decoding[] parts;
    private readonly int[] rows;   // number of rows of each part
    private readonly PartThreads? threads;

    /// <inheritdoc cref="Decoding(LanguageModel, IReadOnlyList{IReadOnlyList{int}}, GenerationSettings, int, int?)"/>
    public ParallelDecoding(LanguageModel model, IReadOnlyList<IReadOnlyList<int>> prompts, GenerationSettings settings, int copies)
    {
        var count = Count(model, prompts.Count);
        var made = new List<Decoding>();
        try
        {
            // Rows are padded to the same width in all parts.
            for (var i = 0; i < count; i++)
                made.Add(new Decoding(model, [.. prompts.Take((i + 1) * prompts.Count / count).Skip(i * prompts.Count / count)], settings, copies, count == 1 ? null : prompts.Max(prompt => prompt.Count)));
            if (count > 1) threads = new PartThreads(count);
        }
        catch
        {
            foreach (var part in made) part.Dispose();
            throw;
        }
        parts = [.. made];
        rows = [.. parts.Select(part => part.Prompts.Count)];
    }

    /// <inheritdoc cref="Decoding.Start"/>
    public IEnumerable<IReadOnlyList<int>> Start => parts.SelectMany(part => part.Start);

    /// <inheritdoc cref="Decoding.Width"/>
    public int Width => parts[0].Width;

    /// <inheritdoc cref="Decoding.Limit"/>
    public int Limit => parts[0].Limit;

    /// <inheritdoc cref="Decoding.Cache"/>
    public KeyValueCache Cache => parts[0].Cache;

    /// <inheritdoc cref="Decoding.Device"/>
    public Device Device => parts[0].Device;

    /// <inheritdoc cref="Decoding.Next"/>
    public Tensor Next()
    {
        if (threads is null) return parts[0].Next();
        var logits = new Tensor?[parts.Length];
        try
        {
            threads.Run([.. parts.Select((part, i) => (Action)(() => logits[i] = NextOf(part)))]);
            return cat([.. logits.Select(each => each!)]);
        }
        finally
        {
            foreach (var each in logits) each?.Dispose();
        }
    }

    // Dispose scopes and inference mode are thread-local.
    private static Tensor NextOf(Decoding part)
    {
        using var inference = inference_mode();
        using var scope = NewDisposeScope();
        return part.Next().DetachFromDisposeScope();
    }

    /// <inheritdoc cref="Decoding.Append"/>
    public void Append(Tensor ids)
    {
        if (threads is null)
        {
            parts[0].Append(ids);
            return;
        }
        long start = 0;
        for (var i = 0; i < parts.Length; start += rows[i++]) parts[i].Append(ids.narrow(0, start, rows[i]));
        ids.Dispose();
    }

    /// <inheritdoc cref="Decoding.Repeat"/>
    public void Repeat(int copies)
    {
        for (var i = 0; i < parts.Length; i++)
        {
            parts[i].Repeat(copies);
            rows[i] *= copies;
        }
    }

    private static int Count(LanguageModel model, int prompts)
        => TorchRuntime.Cpu.ParallelParts && model is CausalLM && model.Device.type == DeviceType.CPU && model.RowsDependOnThemselves && model.parameters().Sum(each => each.numel() * each.element_size()) <= SmallModel
            ? Math.Clamp(get_num_threads(), 1, prompts) : 1;

    public void Dispose()
    {
        threads?.Dispose();
        foreach (var part in parts) part.Dispose();
    }
}
