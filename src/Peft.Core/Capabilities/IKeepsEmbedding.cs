namespace Peft;

/// <summary>A layer on the token embedding or the head whose adapter file need not contain the base weight. The files of other such layers do, as in Hugging Face PEFT.</summary>
public interface IKeepsEmbedding;
