namespace Peft;

/// <summary>A layer on the token embedding or the head whose adapter file need not hold the base weight. The files of other layers there do, as in Hugging Face PEFT's files.</summary>
public interface IKeepsEmbedding;
