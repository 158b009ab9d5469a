namespace Peft;

/// <summary>The order in which <see cref="LayerwiseOptions"/> trains layers.</summary>
public enum LayerOrder
{
    /// <summary>Random layers for each interval; tensors outside of layers are always trained (LISA).</summary>
    Random,

    /// <summary>One block after the other; tensors outside of layers form the last block (BAdam).</summary>
    Cyclic,
}
