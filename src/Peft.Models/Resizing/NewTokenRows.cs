namespace Peft.Models;

/// <summary>Initialization of the rows that <see cref="EmbeddingResizing.ResizeTokenEmbeddings"/> adds.</summary>
public enum NewTokenRows
{
    /// <summary>
    /// Normally distributed with the mean of the old rows and a billionth of their covariance, as in transformers (<c>mean_resizing</c>; Hewitt 2021,
    /// "Initializing New Word Embeddings for Pretrained Language Models"): the mean, with tiny differences.
    /// </summary>
    MeanAndCovariance,

    /// <summary>The mean of the old rows, the same for all.</summary>
    Mean,

    /// <summary>Normally distributed with mean 0 and the standard deviation of new weights (<c>initializer_range</c>).</summary>
    Random,
}
