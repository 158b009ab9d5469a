using static TorchSharp.torch;

namespace Peft.Lora;

internal static class UsualTargets
{
    /// <summary>
    /// The given targets. If null: null for a pretrained model, whose architecture has default targets, and every linear module for any other model.
    /// </summary>
    public static ModuleSelector? Or(this ModuleSelector? targets, nn.Module model) => targets ?? (model is IPretrainedModel ? null : ModuleSelector.AllLinear);
}
