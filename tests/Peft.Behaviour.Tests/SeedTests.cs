using TorchSharp;
using static Peft.Behaviour.Tests.SmallModel;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

public sealed class SeedTests : BehaviourTests
{
    [Theory, MemberData(nameof(EveryMethod))]
    public void An_adapter_starts_from_its_seed_whatever_was_drawn_before(string method)
    {
        Dictionary<string, byte[]> Start(int state, int? seed)
        {
            using var model = Create();
            var peft = new PeftModel(model);
            Sample.Of(method).Prepare(peft);
            manual_seed(state);
            using var before = get_rng_state();
            peft.Add("new", Sample.Of(method).Options with { InitializationSeed = seed });
            using var after = get_rng_state();
            if (seed is not null) after.equal(before).all().item<bool>().ShouldBeTrue("torch's generator goes on as if nothing had been drawn");
            return peft.Bits("new");
        }

        var first = Start(1, 42);
        Start(2, 42).ShouldBeBits(first);
        Start(2, 42).ShouldBeBits(Start(1, new LoraOptions().InitializationSeed));   // the default
        Start(42, null).ShouldBeBits(first);                                          // torch's own generator, in the state that the seed gives
    }

    [Fact]
    public void Other_seeds_give_other_starts()
    {
        byte[] Start(int? seed)
        {
            using var model = Create();
            using var peft = model.ApplyAdapter(new LoraOptions { InitializationSeed = seed });
            return peft.Bits().Single(pair => pair.Key.Contains("layers.0.self_attn.q_proj.lora_A", StringComparison.Ordinal)).Value;
        }

        Start(1).ShouldNotBe(Start(2));
        using var first = Create();
        using var second = Create();
        manual_seed(5);
        using var one = first.ApplyAdapter(new LoraOptions { InitializationSeed = null });
        using var other = second.ApplyAdapter(new LoraOptions { InitializationSeed = null });
        one.Trainables[0].Value.Bits().ShouldNotBe(other.Trainables[0].Value.Bits());   // one after the other from torch's generator
    }
}
