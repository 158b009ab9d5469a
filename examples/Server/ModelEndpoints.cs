using Peft.Hosting;

namespace Peft.Server;

/// <summary><c>/v1/models</c>: the base model and its adapters, which an administrator may change.</summary>
internal static class ModelEndpoints
{
    public static object List(ServedModel served, AdapterManager adapters) => new { Object = "list", Data = adapters.Names.Prepend(served.Name).Select(name => Of(served, name)) };

    public static object Get(string model, ServedModel served)
    {
        served.Resolve(model);
        return Of(served, model);
    }

    public static async Task<IResult> LoadAsync(LoadRequest request, AdapterManager adapters)
    {
        var (name, folder) = (Required(request.LoraName, "lora_name"), Required(request.LoraPath, "lora_path"));
        await Task.Run(() =>
        {
            if (request.LoadInplace && adapters.Names.Contains(name)) adapters.Swap(name, folder);
            else adapters.Load(name, folder);
        });
        return Results.Text($"Success: LoRA adapter '{name}' added successfully.");
    }

    public static IResult Unload(UnloadRequest request, AdapterManager adapters)
    {
        adapters.Unload(Required(request.LoraName, "lora_name"));
        return Results.Text($"Success: LoRA adapter '{request.LoraName}' removed successfully.");
    }

    private static object Of(ServedModel served, string name) => new { Id = name, Object = "model", Created = 0, OwnedBy = "peft", Parent = name == served.Name ? null : served.Name };

    private static string Required(string? value, string name) => string.IsNullOrEmpty(value) ? throw new ArgumentException($"{name} is missing.") : value;
}
