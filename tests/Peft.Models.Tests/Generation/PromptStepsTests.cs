using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>A long prompt fills the KV cache by steps as it does by the modules one by one.</summary>
public class PromptStepsTests
{
    private const int Rows = 3, Length = 50;   // more positions than the kernels of modules are for

    [Theory, MemberData(nameof(DecodeLayerTests.Architectures), MemberType = typeof(DecodeLayerTests))]
    public void Logits_and_cache_are_those_of_the_modules(string type, string fields)
    {
        using var scope = NewDisposeScope();
        using var model = DecodeLayerTests.Create(type, fields);
        model.eval();
        using var peft = DecodeLayerTests.Adapt(model);
        using var inference = inference_mode();
        manual_seed(6);
        Tensor ids = randint(1, 20, [Rows, Length], ScalarType.Int64), next = randint(1, 20, [Rows, 1], ScalarType.Int64);
        using KeyValueCache own = new(), modules = new(), padded = new();
        Compare(null, own, taken: type != "gemma3_text");   // with norms after attention and feed-forward, too
        var mask = ones_like(ids);
        mask[0].narrow(0, 0, 3).zero_();
        Compare(mask, padded, taken: false);

        void Compare(Tensor? given, KeyValueCache cache, bool taken)
        {
            var found = new List<bool>();
            var hooks = model.Backbone.Layers.Select(each => each.register_forward_hook((_, input, context, output) =>
            {
                // The same keys and values are written again.
                using var again = each.AddAttentionByNode(input, context);
                found.Add(again is not null);
                return output.alias();
            })).ToList();
            var actual = model.forward(new ModelInput { InputIds = ids, Cache = cache, AttentionMask = given });
            foreach (var hook in hooks) hook.remove();
            found.ShouldBe([taken, taken]);
            cache.Length.ShouldBe(Length);
            if (given is not null) return;

            using (new SilentHooks(model.Backbone)) actual.RelativeDifference(model.forward(new ModelInput { InputIds = ids, Cache = modules })).ShouldBeLessThan(1e-5);
            for (var layer = 0; layer < 2; layer++)
            {
                cache.Held(layer).Keys.RelativeDifference(modules.Held(layer).Keys).ShouldBeLessThan(1e-5);
                cache.Held(layer).Values.RelativeDifference(modules.Held(layer).Values).ShouldBeLessThan(1e-5);
            }
            var step = model.forward(new ModelInput { InputIds = next, Cache = cache });
            step.RelativeDifference(model.forward(new ModelInput { InputIds = cat([ids, next], 1) }).narrow(1, -1, 1)).ShouldBeLessThan(2e-5);
        }
    }
}
