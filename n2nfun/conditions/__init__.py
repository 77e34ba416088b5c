"""Whether Noise2Noise's conditions hold, as far as pairs of noisy images alone can tell.

Write first = x + u and second = x + v, with x the clean image. A network trained to map first to second by squared
error learns E[second | first]. Where v is independent of u and has mean zero given x, that is E[x | first], the best
restoration there is (Lehtinen et al.: Noise2Noise, ICML 2018, section 2). Without x only the difference u - v, and its
company with the brightness, can be seen: `inspect_pairs` measures these, and `UNSEEN` says what no pair can show.

**When a measurement counts against the pairs.** It must be both certain and large.

Certain: the images are cut into at least 16 pieces (one an image where there are 64 images or more), whose means serve
as independent samples. An estimate counts where it is further from zero than Student's t allows with a false alarm
probability of 1/1000 for all tests of one inspection together (Bonferroni). Correlation inside a piece, and noise that
varies from image to image, are in the samples already.

Large: let sigma^2 be the noise variance of one image. A restorer that gains 10 dB has an MSE of sigma^2 / 10. A bias, a
difference of contrast or a misalignment counts where its squared error costs that restorer more than 0.1 dB, which is
0.0023 sigma^2. What does not break Noise2Noise but changes what to expect counts from 1 dB on.
"""

from n2nfun.conditions.estimates import Estimate
from n2nfun.conditions.inspecting import inspect_pairs
from n2nfun.conditions.verdict import UNSEEN, Conditions, Finding

__all__ = ["UNSEEN", "Conditions", "Estimate", "Finding", "inspect_pairs"]
