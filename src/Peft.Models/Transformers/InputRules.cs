using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Checks the tensors of an input. On a GPU, token ids are read back and compared with the vocabulary size, because an invalid id would end the process.
/// On the CPU they are not, because the lookup detects invalid ids.
/// </summary>
internal static class InputRules
{
    /// <exception cref="ObjectDisposedException">The model or a tensor was disposed.</exception>
    /// <exception cref="ArgumentException">The input does not fit the model.</exception>
    public static void Check(PretrainedModel model, ModelInput input)
    {
        ArgumentNullException.ThrowIfNull(input);
        model.RequireAlive();
        var pairs = model.Spec.Kind == TransformerKind.EncoderDecoder;
        if (pairs) CheckEncoderDecoder(model, input);
        else
        {
            var (batch, length) = Text(model, input.InputIds, nameof(input.InputIds), input.Embeddings, nameof(input.Embeddings)) ?? throw new ArgumentException("A forward pass needs InputIds or Embeddings.", nameof(input));
            Refuse(input.DecoderInputIds ?? input.DecoderEmbeddings ?? input.DecoderAttentionMask ?? input.EncoderOutput, "It is not an encoder-decoder model: omit DecoderInputIds, DecoderEmbeddings, DecoderAttentionMask and EncoderOutput.");
            CheckMask(input.AttentionMask, nameof(input.AttentionMask), batch, length, Past(model, input, model.Prompts is { } prompts ? prompts.PrefixCount + prompts.EmbeddingCount : 0));
            CheckPerToken(input.TokenTypeIds, nameof(input.TokenTypeIds), batch, length, model.Spec.TokenTypeCount, "the model has the token types");
            CheckPerToken(input.PositionIds, nameof(input.PositionIds), batch, length, model.Spec.LearnedPositionOffset is null ? int.MaxValue : model.Spec.MaxPositions, "positions are");
            CheckPast(model, input, batch);
        }

        void Refuse(Tensor? given, string why)
        {
            if (given is not null) throw new ArgumentException($"This {model.GetType().Name} does not support this input. {why}", nameof(input));
        }
    }

    private static void CheckEncoderDecoder(PretrainedModel model, ModelInput input)
    {
        if (input.TokenTypeIds is not null || input.PositionIds is not null)
            throw new ArgumentException("An encoder-decoder model has no token types and computes positions itself: omit TokenTypeIds and PositionIds.", nameof(input));
        if (input.PackedLengths is not null)
            throw new ArgumentException("An encoder-decoder model does not support packed batches: pass the sequences as rows.", nameof(input));
        var embedded = model.Prompts?.EmbeddingCount ?? 0;
        var source = Text(model, input.InputIds, nameof(input.InputIds), input.Embeddings, nameof(input.Embeddings));
        if (input.EncoderOutput is { } given)
        {
            var shape = Hidden(model, given, nameof(input.EncoderOutput));
            source = (shape.Batch, shape.Length - embedded);
        }
        var (batch, length) = source ?? throw new ArgumentException("A forward pass needs InputIds, Embeddings or EncoderOutput.", nameof(input));
        CheckMask(input.AttentionMask, nameof(input.AttentionMask), batch, length, [0]);
        if (Text(model, input.DecoderInputIds, nameof(input.DecoderInputIds), input.DecoderEmbeddings, nameof(input.DecoderEmbeddings)) is not var (rows, targetLength)) return;
        if (rows != batch) throw new ArgumentException($"The decoder's input has {rows} rows, but the encoder's input has {batch}: they must match.", nameof(input));
        CheckMask(input.DecoderAttentionMask, nameof(input.DecoderAttentionMask), batch, targetLength, Past(model, input, model.Prompts is { } prompts ? prompts.PrefixCount + prompts.DecoderEmbeddingCount : 0));
        CheckPast(model, input, batch);
    }

    // The shape of token ids or embeddings, of which only one may be given.
    private static (long Batch, long Length)? Text(PretrainedModel model, Tensor? ids, string idsName, Tensor? embeddings, string embeddingsName)
    {
        if (ids is not null && embeddings is not null) throw new ArgumentException($"The input has both {idsName} and {embeddingsName}: pass only one of them.", embeddingsName);
        if (embeddings is not null) return Hidden(model, embeddings, embeddingsName);
        if (ids is null) return null;
        var shape = TensorRules.RequireIds(ids, idsName);
        if (ids.device_type != TorchSharp.DeviceType.CPU && TensorRules.Outside(ids, model.Spec.VocabularySize) is { } outside) throw Unknown(outside, model.Spec.VocabularySize, idsName);
        return (shape[0], shape[1]);
    }

    /// <summary>The exception for an unknown token id.</summary>
    public static ArgumentException Unknown(long id, long vocabulary, string name)
        => new($"Token id {id} is outside the model's vocabulary of {vocabulary}: was the text encoded for another model, or were tokens added without resizing the embeddings?", name);

    private static (long Batch, long Length) Hidden(PretrainedModel model, Tensor given, string name)
    {
        var shape = TensorRules.RequireRank(given, name, "[batch, sequence, hidden]");
        var type = model.InputEmbeddings.Storage.ComputeType;
        if (shape[2] != model.Spec.HiddenSize || given.dtype != type || shape[0] == 0 || shape[1] == 0)
            throw new ArgumentException($"{name} is {TensorRules.Describe(given)}, but must be {type} [batch, sequence, {model.Spec.HiddenSize}], with at least one row and one position.", name);
        return (shape[0], shape[1]);
    }

    // Numbers of past positions that a mask may cover: none, all positions of the cache or prefix, or all but the virtual tokens.
    private static long[] Past(PretrainedModel model, ModelInput input, int prompted)
    {
        long before = input.Cache is { Length: > 0 } cache ? cache.Length
            : input.Prefix is [{ Keys: { IsInvalid: false } keys }, ..] && keys.dim() == 4 ? keys.size(2) : 0;
        return [0, before, Math.Max(0, before - prompted)];
    }

    private static void CheckMask(Tensor? mask, string name, long batch, long length, long[] past)
    {
        if (mask is null) return;
        var shape = TensorRules.RequireRank(mask, name, "[batch, sequence]");
        if (mask.is_complex() || shape[0] != batch || !past.Contains(shape[1] - length))
            throw new ArgumentException($"{name} is {TensorRules.Describe(mask)}, but the input is [{batch}, {length}]{(past.Max() > 0 ? $" after {past.Max()} earlier positions" : "")}: pass 1 for each real token and 0 for padding.", name);
    }

    private static void CheckPerToken(Tensor? given, string name, long batch, long length, long count, string what)
    {
        if (given is null) return;
        var shape = TensorRules.RequireRank(given, name, "[batch, sequence]");
        TensorRules.RequireWhole(given, name);
        if ((shape[0] != batch && shape[0] != 1) || shape[1] != length)
            throw new ArgumentException($"{name} is {TensorRules.Describe(given)}, but the input is [{batch}, {length}].", name);
        if (count > 0 && TensorRules.Outside(given, count) is { } outside)
            throw new ArgumentException($"{name} has {outside}, but {what} 0 to {count - 1}.", name);
    }

    private static void CheckPast(PretrainedModel model, ModelInput input, long batch)
    {
        var spec = model.Spec;
        if (input.Cache?.Misfit(batch, spec) is { } misfit) throw new ArgumentException(misfit, nameof(input));
        if (input.Prefix is { } prefix)
        {
            if (prefix.Count != spec.LayerCount) throw new ArgumentException($"Prefix has {prefix.Count} pairs of keys and values, but the model has {spec.LayerCount} layers: pass one pair for each layer.", nameof(input));
            var length = prefix[0] is { Keys: { IsInvalid: false } first } && first.dim() == 4 ? first.size(2) : 0;
            foreach (var pair in prefix)
            {
                Require(pair?.Keys);
                Require(pair?.Values);
            }

            void Require(Tensor? tensor)
            {
                if (!TensorRules.RequireAlive(tensor, nameof(input.Prefix)).shape.SequenceEqual([batch, spec.KeyValueHeadCount, length, spec.HeadSize]) || tensor!.dtype != model.InputEmbeddings.Storage.ComputeType)
                    throw new ArgumentException($"Prefix has {TensorRules.Describe(tensor!)}, but must have {model.InputEmbeddings.Storage.ComputeType} [{batch}, {spec.KeyValueHeadCount}, length, {spec.HeadSize}], of the same length in all layers.", nameof(input));
            }
        }
        if (input.PrefixGates is { } gates && (gates.Count != spec.LayerCount || gates.Contains(null!)))
            throw new ArgumentException($"PrefixGates must have one gate for each of the model's {spec.LayerCount} layers.", nameof(input));
        foreach (var prompt in input.InAttention)
        {
            if (prompt is null || prompt.Layer < 0 || prompt.Layer >= spec.LayerCount) throw new ArgumentException($"InAttention names layer {prompt?.Layer}, but the model has the layers 0 to {spec.LayerCount - 1}.", nameof(input));
            if (TensorRules.RequireAlive(prompt.Tokens, nameof(AttentionPrompt.Tokens)) is var tokens && tokens.shape is not [1, > 0, var width] || width != spec.HiddenSize || !tokens.is_floating_point())
                throw new ArgumentException($"The tokens of InAttention are {TensorRules.Describe(prompt.Tokens)}, but must be [1, length, {spec.HiddenSize}].", nameof(input));
            if (TensorRules.RequireAlive(prompt.Gate, nameof(AttentionPrompt.Gate)) is var gate && (!gate.is_floating_point() || gate.shape is not ([1] or [_, 1, 1, 1]) || (gate.size(0) != 1 && gate.size(0) != batch)))
                throw new ArgumentException($"The gate of InAttention is {TensorRules.Describe(prompt.Gate)}, but must be [1], or [{batch}, 1, 1, 1].", nameof(input));
        }
    }
}
