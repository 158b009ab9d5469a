namespace Peft;

/// <summary>A layer on the token embedding or the head whose adapter file need not hold the base weight. Of other layers there it does, as in Hugging Face PEFT's files.</summary>
public interface IKeepsEmbedding;
