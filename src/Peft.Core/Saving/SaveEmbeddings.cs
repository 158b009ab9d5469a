namespace Peft;

/// <summary>Controls whether the base model's token embedding and language-model head are saved with an adapter (Hugging Face PEFT's <c>save_embedding_layers</c>).</summary>
public enum SaveEmbeddings
{
    /// <summary>Save them if they were resized, or if the adapter adapts them.</summary>
    Auto,

    /// <summary>Always save them.</summary>
    Always,

    /// <summary>Never save them. The adapter can then be loaded only into a model with the same rows.</summary>
    Never,
}
