/** @file choice.h  Words that routers and the routing of traffic share: how a group of experts
 *  scores, what a full expert drops. Zero is the default of either. */
#ifndef MS_MOE_CHOICE_H
#define MS_MOE_CHOICE_H

enum ms_drop_policy {
    MS_DROP_PROBS,    /**< lowest probability first */
    MS_DROP_POSITION, /**< last token first */
};
enum ms_group_score {
    MS_GROUP_MAX,      /**< DeepSeek-V2: the best expert of the group */
    MS_GROUP_TOP2_SUM, /**< DeepSeek-V3: the sum of its two best */
};

#endif
