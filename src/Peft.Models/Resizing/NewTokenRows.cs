namespace Peft.Models;

/// <summary>What the rows of tokens begin with that <see cref="EmbeddingResizing.ResizeTokenEmbeddings"/> adds.</summary>
public enum NewTokenRows
{
    /// <summary>
    /// Normal numbers of the mean of the old rows and a billionth of their covariance, as transformers draws them (<c>mean_resizing</c>; Hewitt 2021,
    /// "Initializing New Word Embeddings for Pretrained Language Models"): the mean, up to tiny differences.
    /// </summary>
    MeanAndCovariance,

    /// <summary>The mean of the old rows, the same for all.</summary>
    Mean,

    /// <summary>Normal numbers of the deviation that the configuration gives fresh weights (<c>initializer_range</c>).</summary>
    Random,
}
