namespace Peft;

/// <summary>The order in which <see cref="LayerwiseOptions"/> trains layers.</summary>
public enum LayerOrder
{
    /// <summary>Random layers for each interval; tensors outside the layers are always trained (LISA).</summary>
    Random,

    /// <summary>The blocks in order; tensors outside the layers form the last block (BAdam).</summary>
    Cyclic,
}
