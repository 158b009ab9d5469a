using static TorchSharp.torch;

namespace Peft;

/// <summary>What adapters ask of a pretrained transformer beyond being a module.</summary>
public interface IPretrainedModel
{
    /// <summary>Architecture, <c>model_type</c> of config.json: <c>llama</c>. Chooses the usual targets of a method.</summary>
    string ModelType { get; }

    /// <summary>What the model is for, in Hugging Face PEFT's words: <c>CAUSAL_LM</c>, <c>SEQ_CLS</c>; null if nothing in particular.</summary>
    string? TaskType { get; }

    /// <summary>Folder or hub id that the model came from.</summary>
    string? NameOrPath { get; }

    /// <summary>The token embedding.</summary>
    nn.Module InputEmbeddings { get; }

    /// <summary>Further paths under which Hugging Face's model has the token embedding, so that its files hold what belongs to it under each: those of an encoder and a decoder that share it.</summary>
    IReadOnlyList<string> EmbeddingCopies => [];

    /// <summary>The language-model head or the classifier, which <c>all-linear</c> leaves out; null if there is none.</summary>
    nn.Module? Head { get; }

    /// <summary>Rows that the token embedding had before it was resized; null if it was not. An adapter is then saved with the embedding.</summary>
    int? ResizedFrom => null;
}
