using Peft.Models;

namespace Peft.Docs.Tests.Snippets;

public class Notebooks : InFolder
{
    [Fact]
    public void A_curve_outside_of_a_notebook()
    {
        var console = Console.Out;
        using var printed = new StringWriter();
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyLora(rank: 8);
        var text = TextDataset.FromFile("train.txt", Tokenizer.FromPretrained("models/stories260K"), blockSize: 32);
        Console.SetOut(printed);
        try
        {
            // snippet: notebook-curve
            var curve = new TrainingCurve { Changed = at => Console.Write($"\r{at.Last!.Step}/{at.Last.TotalSteps}: {at.Losses.Min():F3}") };
            var result = new Trainer(peft, text, new TrainingOptions { MaxSteps = 6, BatchSize = 4 }).Train(curve);
            // end
            curve.Losses.ShouldBe(result.Losses);
        }
        finally
        {
            Console.SetOut(console);
        }
        printed.ToString().ShouldContain("6/6: ");
    }
}
