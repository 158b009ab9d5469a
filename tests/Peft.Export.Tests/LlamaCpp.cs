using LLama;
using LLama.Common;
using LLama.Native;

namespace Peft.Export.Tests;

/// <summary>A GGUF file as llama.cpp runs it: values in float32, no flash attention.</summary>
internal sealed class LlamaCpp : IDisposable
{
    private static readonly List<string> Log = [];

    private readonly LLamaWeights weights;
    private readonly LLamaContext context;

    static LlamaCpp() => NativeLibraryConfig.All.WithLogCallback((level, message) =>
    {
        lock (Log) Log.Add(message);
    });

    public LlamaCpp(string path)
    {
        var parameters = new ModelParams(path) { ContextSize = 128, GpuLayerCount = 0, Threads = 2, TypeK = GGMLType.GGML_TYPE_F32, TypeV = GGMLType.GGML_TYPE_F32, FlashAttention = false };
        weights = LLamaWeights.LoadFromFile(parameters);
        context = weights.CreateContext(parameters);
    }

    /// <summary>Applies adapters from GGUF files.</summary>
    public void Apply(params (string Path, float Scale)[] adapters)
    {
        int before;
        lock (Log) before = Log.Count;
        context.NativeHandle.SetLoraAdapters([.. adapters.Select(each => (weights.NativeHandle.LoadLoraFromFile(each.Path), each.Scale))]);
        // A file that llama.cpp refuses only shows in its log.
        lock (Log) Log.Skip(before).Where(message => message.Contains("failed", StringComparison.OrdinalIgnoreCase)).ShouldBeEmpty();
    }

    /// <summary>The log-probabilities after each token, <c>[tokens][vocabulary]</c>.</summary>
    public float[][] LogProbabilities(params int[] tokens)
    {
        context.NativeHandle.MemoryClear(true);
        var batch = new LLamaBatch();
        for (var i = 0; i < tokens.Length; i++) batch.Add(tokens[i], i, LLamaSeqId.Zero, true);
        context.NativeHandle.Decode(batch).ShouldBe(DecodeResult.Ok);
        return [.. tokens.Select((_, i) => LogSoftmax(context.NativeHandle.GetLogitsIth(i).ToArray()))];
    }

    /// <summary>The tokens of a text.</summary>
    public int[] Tokens(string text) => [.. context.Tokenize(text, addBos: true).Select(token => (int)token)];

    public void Dispose()
    {
        context.Dispose();
        weights.Dispose();
    }

    private static float[] LogSoftmax(float[] logits)
    {
        var most = logits.Max();
        var sum = Math.Log(logits.Sum(each => Math.Exp(each - most)));
        return [.. logits.Select(each => (float)(each - most - sum))];
    }
}
