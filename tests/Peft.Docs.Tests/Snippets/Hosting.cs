using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Peft.Hosting;
using Peft.Models;

namespace Peft.Docs.Tests.Snippets;

public class Hosting : InFolder
{
    [Fact]
    public async Task A_model_in_a_host()
    {
        using (var trained = CausalLM.FromPretrained("models/stories260K"))
        {
            using var saved = trained.ApplyLora(rank: 2);
            saved.SaveAdapter("out/stories");
            saved.SaveAdapter("out/math");
        }
        File.WriteAllText("out/chat.jinja", "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}");
        // snippet: hosting
        var builder = Host.CreateApplicationBuilder();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>          // or appsettings.json, or environment variables such as Peft__Model
        {
            ["Peft:Model"] = "models/stories260K",
            ["Peft:ChatTemplateFile"] = "out/chat.jinja",                                    // if the model's folder has no template
            ["Peft:Load:Quantization"] = "nf4",
            ["Peft:Adapters:math"] = "out/math",
            ["Peft:AdapterFolders:0"] = "out",                                               // adapters may be loaded from here later
            ["Peft:Batching:MaxBatchSize"] = "16",
        });
        builder.Services.AddPeft();
        using var host = builder.Build();
        await host.StartAsync();                                                             // validates the options, loads everything

        var math = host.Services.GetRequiredKeyedService<IChatClient>("math");               // the key is the adapter's name; without a key, the default adapter
        Console.WriteLine(await math.GetResponseAsync("2 + 2 = ?"));

        var adapters = host.Services.GetRequiredService<AdapterManager>();
        adapters.Load("stories", "stories");                                                 // out/stories, while requests run
        adapters.Swap("math", "stories");
        adapters.Unload("stories");
        // end
        adapters.Names.ShouldBe(["math"]);
    }

    [Fact]
    public void Package_hosting()
    {
        // snippet: package-hosting
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddPeft(options => options.Model = "models/stories260K");     // or the section "Peft" of the configuration
        // end
        builder.Services.ShouldContain(each => each.ServiceType == typeof(IChatClient));
    }
}
