using System.Globalization;
using Peft;
using static TorchSharp.torch;

namespace Peft.Training.TestHost;

/// <summary>The bits of all numbers of a run, as text.</summary>
internal static class Numbers
{
    /// <summary>Writes <c>result.txt</c> into a folder.</summary>
    public static void Write(string folder, string title, ITrainable model, TrainingResult result)
    {
        var numbers = model.Trainables.SelectMany(tensor => tensor.Value.detach().reshape(-1).data<float>().ToArray())
            .Concat(result.Losses.Select(loss => (float)loss))
            .Concat(result.Evaluations.Select(evaluation => (float)evaluation.Loss))
            .Select(number => BitConverter.SingleToInt32Bits(number).ToString("x8", CultureInfo.InvariantCulture));
        File.WriteAllText(Path.Combine(folder, "result.txt"), $"{title}: {string.Join(' ', numbers)}");
    }
}
