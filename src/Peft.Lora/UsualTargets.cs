using static TorchSharp.torch;

namespace Peft.Lora;

internal static class UsualTargets
{
    /// <summary>The targets that were named; else null for a pretrained model, whose architecture has usual ones, and every linear module of any other.</summary>
    public static ModuleSelector? Or(this ModuleSelector? targets, nn.Module model) => targets ?? (model is IPretrainedModel ? null : ModuleSelector.AllLinear);
}
