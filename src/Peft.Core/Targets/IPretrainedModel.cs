using static TorchSharp.torch;

namespace Peft;

/// <summary>A pretrained transformer: the properties that adapters need in addition to its modules.</summary>
public interface IPretrainedModel
{
    /// <summary>Architecture, <c>model_type</c> of config.json: <c>llama</c>. It determines a method's default targets.</summary>
    string ModelType { get; }

    /// <summary>Task of the model, in Hugging Face PEFT's terms: <c>CAUSAL_LM</c>, <c>SEQ_CLS</c>; null if it has no particular task.</summary>
    string? TaskType { get; }

    /// <summary>Folder or Hugging Face Hub id from which the model was loaded.</summary>
    string? NameOrPath { get; }

    /// <summary>The token embedding.</summary>
    nn.Module InputEmbeddings { get; }

    /// <summary>
    /// Additional paths of the token embedding in Hugging Face's model, whose files contain its tensors under each path: for an encoder and a decoder that share
    /// it.
    /// </summary>
    IReadOnlyList<string> EmbeddingCopies => [];

    /// <summary>The language-model head or the classifier, which <c>all-linear</c> excludes; null if there is none.</summary>
    nn.Module? Head { get; }

    /// <summary>Number of rows of the token embedding before it was resized; null if it was not resized. A resized embedding is saved with an adapter.</summary>
    int? ResizedFrom => null;
}
