using System.Text;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Peft.Models;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Peft.Behaviour.Tests;

/// <summary>No public type has the name of one that every program imports. This file is such a program: it compiles with all the usual usings.</summary>
public sealed class NameTests
{
    // What the file imports, and what the SDK imports for every program.
    private static readonly string[] Imported =
        ["System", "System.Collections.Generic", "System.IO", "System.Linq", "System.Net.Http", "System.Threading", "System.Threading.Tasks", "System.Text", "System.Text.Json", "Microsoft.Extensions.AI", "Microsoft.Extensions.Configuration",
         "Microsoft.Extensions.DependencyInjection", "Microsoft.Extensions.Logging", "Microsoft.Extensions.Options", "TorchSharp", "TorchSharp.Modules"];

    [Fact]
    public void No_public_name_is_ambiguous_where_the_usual_namespaces_are_imported()
    {
        Type[] used = [typeof(Encoding), typeof(JsonSerializer), typeof(IChatClient), typeof(IConfiguration), typeof(ConfigurationBuilder), typeof(ConfigurationBinder), typeof(IServiceCollection), typeof(ServiceCollection), typeof(ILogger), typeof(IOptions<>), typeof(Linear),
            typeof(Tensor), typeof(object), typeof(List<>), typeof(File), typeof(Console), typeof(Enumerable), typeof(HttpClient), typeof(CancellationToken), typeof(Environment)];
        var theirs = used.Select(type => type.Assembly).Distinct().SelectMany(assembly => assembly.GetExportedTypes())
            .Where(type => !type.IsNested && Imported.Contains(type.Namespace) || type.DeclaringType == typeof(torch) || type.DeclaringType == typeof(torch.nn)).Select(Name).ToHashSet();
        theirs.ShouldContain("Encoding");
        theirs.ShouldContain("AdamW");

        var ours = new[] { typeof(PeftException), typeof(HubClient), typeof(Tokenizer), typeof(PeftModel), typeof(LoraOptions), typeof(BottleneckOptions), typeof(PromptTuningOptions), typeof(CausalLM) }.SelectMany(type => type.Assembly.GetExportedTypes())
            .Where(type => !type.IsNested && type.Namespace is "Peft" or "Peft.Models").Select(Name).ToList();
        ours.Count.ShouldBeGreaterThan(250);
        ours.Where(theirs.Contains).ShouldBeEmpty();
    }

    [Fact]
    public void A_program_with_the_usual_usings_compiles()
    {
        var text = Encoding.UTF8.GetString("text"u8);
        EncodeOptions encode = new() { Padding = PaddingStrategy.Longest };
        using Linear layer = Linear(4, 4);
        using var optimizer = optim.AdamW(layer.parameters());
        using var peft = layer.ApplyLora(rank: 2, targets: "all-linear");
        Trainer trainer = new(peft, TrainingDataset.From(4, _ => new Batch { InputIds = zeros(1, 4) }), new TrainingOptions { Schedule = LearningRateSchedule.Linear });
        (text, encode.Padding, trainer.Options.Epochs).ShouldBe(("text", PaddingStrategy.Longest, 3));
    }

    private static string Name(Type type) => type.Name;
}
